package symbols

import (
	"strings"
	"testing"
)

func TestDemangle(t *testing.T) {
	deep := "_Z1f" + strings.Repeat("P", maxMangled-10) + "i"
	endless := "_Z1f" + strings.Repeat("P", maxMangled) + "i"
	for raw, want := range map[string]string{
		"main":                         "main",
		"_start":                       "_start",
		"__libc_start_main":            "__libc_start_main",
		"_Z":                           "_Z",
		"_Znonsense":                   "_Znonsense",
		"_ZN6shapes5twiceIiEET_S1_":    "int shapes::twice<int>(int)",
		"_ZNK6shapes5Shape4areaEi":     "shapes::Shape::area(int) const",
		"_ZNSt6vectorIiSaIiEE5clearEv": "std::vector<int, std::allocator<int> >::clear()",
		"_ZL6hiddeni.constprop.0":      "hidden(int) [clone .constprop.0]",
		// Rust, before v0 and v0.
		"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE":                                                       "core::fmt::Formatter::pad",
		"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE": "<Test + 'static as foo::Bar<Test>>::bar",
		"_RNvCs15kBYyAo9fc_7mycrate7example":                                                                   "mycrate::example",
		"_RNvNtCs1234_7mycrate3foo3bar":                                                                        "mycrate::foo::bar",
		"_RINvCs15kBYyAo9fc_7mycrate7examplelE":                                                                "mycrate::example::<i32>",
		// Go names that are left alone.
		"main.(*shape).area":       "main.(*shape).area",
		"main.twice[go.shape.int]": "main.twice[go.shape.int]",
		endless:                    endless,
	} {
		l := &list{source: Symtab, names: raw + "\x00"}
		for range 2 { // the second is remembered
			if got := l.name(entry{}); got != want {
				t.Errorf("%.80s: %.80q, want %.80q", raw, got, want)
			}
		}
	}
	l := &list{source: Symtab, names: deep + "\x00"}
	if got := l.name(entry{}); got == "" {
		t.Error("a deep name is none at all")
	}
}
