package procmap

import (
	"strings"
	"testing"
)

// One line of /proc/PID/stat without the number and the name.
const statTail = " S 7 8 8 34816 9 4194304 1 0 0 0 0 0 -5 0 20 -19 3 0 69037 3133440 412 18446744073709551615" +
	" 100 200 300 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 400 500 600 700 800 900 1000 0\n"

func TestParseStat(t *testing.T) {
	key := MMKey{addrs: [10]uint64{100, 200, 300, 400, 500, 600, 700, 800, 900, 1000}}
	for _, name := range []string{"a", "", "a b", "a) S 1 (b", ")", "(", "x\ny", "\xff"} {
		st, err := parseStat([]byte("42 (" + name + ")" + statTail))
		if err != nil || string(st.comm) != name {
			t.Errorf("comm = %q, want %q: %v", st.comm, name, err)
		}
		if st.state != 'S' || st.ppid != 7 || st.flags != 4194304 || st.threads != 3 || st.start != 690370000000 || st.mm != key || st.mmDenied {
			t.Errorf("%q: %+v", name, st)
		}
	}
	denied := strings.Replace(statTail, " 100 200 300 ", " 1 1 0 ", 1)
	if st, err := parseStat([]byte("1 (init)" + denied)); err != nil || !st.mmDenied || st.mm != (MMKey{}) {
		t.Errorf("denied: %+v, %v", st, err)
	}
	for _, bad := range []string{"", "1", "1 (", "1 (a", "1 (a)", "1 (a) ", "1 (a) S", "1 (a) S 1 2 3\n", ") ("} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a b)" + statTail))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStat(b)
		parseStatus(b)
		parseCgroup(b)
		parseMountLine(b)
	})
}

func TestParseStatus(t *testing.T) {
	text := "Name:\tTgid:\\n9\nState:\tT (stopped)\nTgid:\t12\nPid:\t13\nNSpid:\t12\t5\t1\nThreads:\t1\n"
	want := status{tgid: 12, state: 'T', nspid: 1, depth: 3}
	if got := parseStatus([]byte(text)); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestParseCgroup(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"0::/user.slice/a:b c\n", "/user.slice/a:b c"},
		{"9:name=systemd:/x\n8:pids:/y\n0::/\n", "/x"},
		{"9:name=systemd:/x\n8:pids:/y\n0::/z\n", "/z"},
		{"9:name=systemd:/\n8:pids:/\n4:memory:/m\n3:cpu:/c\n0::/\n", "/m"},
		{"5:cpu,cpuacct:/c\n", "/c"},
		{"0::/\n", "/"},
		{"", "/"},
		{"junk\n:\n::\n", "/"},
	} {
		if got := parseCgroup([]byte(tt.text)); string(got) != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestParseMountLine(t *testing.T) {
	m, ok := parseMountLine([]byte(`22 27 0:21 / /a\040b\134 rw,relatime shared:5 master:1 - proc proc rw,gid=27,hidepid=invisible`))
	if !ok || m.id != 22 || string(m.target) != `/a b\` || string(m.fstype) != "proc" || string(m.super) != "rw,gid=27,hidepid=invisible" {
		t.Errorf("%+v, %v", m, ok)
	}
	for _, bad := range []string{"", "1 2 3 - proc", "22 27 0:21 / /p rw", "x 27 0:21 / /p rw - proc proc rw"} {
		if _, ok := parseMountLine([]byte(bad)); ok {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestMountVerdict(t *testing.T) {
	const initial, other = initialPIDNamespace, 4026532000
	for _, tt := range []struct {
		super              string
		ns                 uint64
		tracer, member     bool
		hide               HidePID
		hidden, restricted bool
	}{
		{"rw", initial, false, false, HideNone, false, false},
		{"rw", other, true, true, HideNone, true, false},
		{"rw,hidepid=0", initial, false, false, HideNone, false, false},
		{"rw,hidepid=1", initial, false, false, HideNoAccess, false, true},
		{"rw,hidepid=noaccess", initial, false, true, HideNoAccess, false, false},
		{"rw,gid=27,hidepid=2", initial, false, false, HideInvisible, true, false},
		{"rw,gid=27,hidepid=invisible", initial, true, false, HideInvisible, false, false},
		{"rw,hidepid=invisible", initial, false, true, HideInvisible, false, false},
		{"rw,hidepid=ptraceable,subset=pid", initial, false, true, HideNotPtraceable, true, false},
		{"rw,hidepid=4", initial, true, false, HideNotPtraceable, false, false},
	} {
		m := MountInfo{PIDNamespace: tt.ns}
		if err := m.parseProcOptions([]byte(tt.super)); err != nil {
			t.Fatal(err)
		}
		m.judge(tt.tracer, tt.member)
		if m.HidePID != tt.hide || m.Hidden != tt.hidden || m.Restricted != tt.restricted {
			t.Errorf("%s: %+v", tt.super, m)
		}
		if strings.Contains(tt.super, "gid=27") != (m.GID == 27) {
			t.Errorf("%s: %+v", tt.super, m)
		}
	}
	if err := new(MountInfo).parseProcOptions([]byte("rw,hidepid=maybe")); err == nil {
		t.Error("no error for an unknown hidepid")
	}
}
