package format

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docTable returns the cells of a table of docs/format.md, the first one behind a heading,
// by the first cell of each row.
func docTable(t *testing.T, heading string) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "\n"+heading)
	_, text, _ = strings.Cut(text, "\n|")
	table, _, _ := strings.Cut(text, "\n\n")
	rows := make(map[string]string)
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) >= 3 {
			rows[strings.TrimSpace(cells[len(cells)-3])] = strings.TrimSpace(cells[len(cells)-2])
		}
	}
	return rows
}

// TestDocEnumerations compares section 3 of docs/format.md with the constants and their
// names.
func TestDocEnumerations(t *testing.T) {
	rows := docTable(t, "## 3.")
	for row, values := range map[string][]fmt.Stringer{
		"source":        {SourceNone, SourceIoctl, SourceMaps, SourceIter, SourceImport},
		"hooks":         {HooksNone, HooksKprobe, HooksFentry, HooksTracepoint, HooksImport},
		"build_id_mode": {BuildIDAuto, BuildIDKernel, BuildIDFile, BuildIDNone},
		"status": {WalkUnknown, WalkComplete, WalkShared, WalkKernelThread, WalkZombie, WalkDenied, WalkVanished,
			WalkRaced, WalkTimeout, WalkFailed},
		"build_id_origin": {BuildIDNotAsked, BuildIDByKernel, BuildIDByFile, BuildIDAbsent, BuildIDNotELF, BuildIDDenied,
			BuildIDGone, BuildIDFailed},
		"lost reason":    {LostUnknown, LostRing, LostRecursion, LostLock, LostMap, LostMemory, LostTorn},
		"snapshot kind":  {SnapshotInitial, SnapshotKeyframe, SnapshotRepair},
		"end reason":     {EndFinished, EndSignal, EndError},
		"content (bits)": {ContentExecFile, ContentDataFile, ContentAnonExec, ContentVDSO},
	} {
		var want []string
		for _, item := range strings.Split(rows[row], ", ") {
			item, _, _ = strings.Cut(item, " (")
			want = append(want, item)
		}
		var got []string
		for i, v := range values {
			number := fmt.Sprintf("%d", v)
			if row == "content (bits)" {
				number = fmt.Sprintf("%#x", int(v.(Content)))
			} else if number != fmt.Sprint(i) {
				t.Errorf("%s: %v is number %s", row, v, number)
			}
			got = append(got, number+" "+v.String())
		}
		if g, w := strings.Join(got, ", "), strings.Join(want, ", "); g != w {
			t.Errorf("%s\ncode %s\ndoc  %s", row, g, w)
		}
	}
}

// keyVisitor writes down the keys that visit tells it, as section 7 of docs/format.md does.
type keyVisitor []string

func (v *keyVisitor) add(key string, star bool) {
	if star {
		key += "*"
	}
	*v = append(*v, key)
}

func (v *keyVisitor) u64(key string, _ *uint64, f form)          { v.add(key, f&always != 0) }
func (v *keyVisitor) u32(key string, _ *uint32, f form)          { v.add(key, f&always != 0) }
func (v *keyVisitor) u16(key string, _ *uint16)                  { v.add(key, false) }
func (v *keyVisitor) i32(key string, _ *int32)                   { v.add(key, false) }
func (v *keyVisitor) flag(key string, _ *bool)                   { v.add(key, false) }
func (v *keyVisitor) str(key string, _ *string)                  { v.add(key, false) }
func (v *keyVisitor) name(key string, _ name)                    { v.add(key, false) }
func (v *keyVisitor) device(key string, _, _ *uint32)            { v.add(key, true) }
func (v *keyVisitor) buildID(key string, _ *BuildID)             { v.add(key, false) }
func (v *keyVisitor) walks(key string, _ *[numWalkStatus]uint32) { v.add(key, false) }
func (v *keyVisitor) data(key string, _ *[]byte)                 { v.add(key, false) }
func (v *keyVisitor) perm(key string, _ *Prot, _ *MapFlags) {
	v.add(key, true)
	prot, flags := ^Prot(0), ^MapFlags(0)
	visitOddPerm(v, &prot, &flags)
}

// TestDocFields compares section 7 of docs/format.md with what visit tells.
func TestDocFields(t *testing.T) {
	rows := docTable(t, "## 7.")
	for kind := TypeHost; kind <= TypeEnd+1; kind++ {
		word := "unknown"
		if kind.known() {
			word = kind.String()
		}
		var got keyVisitor
		visit(newRecord(word), &got)
		if g, w := strings.Join(got, " "), rows["all"]+" "+rows[word]; g != w {
			t.Errorf("%s\ncode %s\ndoc  %s", word, g, w)
		}
	}
}
