package replay

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// matchNaively is what Glob's comment says, one element of the pattern after the other: at holds after
// how many characters of the name the pattern so far can end.
func matchNaively(pattern, name string) (match, ok bool) {
	chars := []rune(name)
	at := make([]bool, len(chars)+1)
	at[0] = true
	one := func(is func(rune) bool) {
		for i := len(chars); i > 0; i-- {
			at[i] = at[i-1] && is(chars[i-1])
		}
		at[0] = false
	}
	rest := []rune(pattern)
	for len(rest) > 0 {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case '*':
			for i, before := range at[:len(chars)] {
				at[i+1] = at[i+1] || before
			}
		case '?':
			one(func(rune) bool { return true })
		case '[':
			not := len(rest) > 0 && (rest[0] == '!' || rest[0] == '^')
			if not {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				return false, false
			}
			n := 1 + slices.Index(rest[1:], ']')
			class := rest[:n]
			if n == 0 || !ordered(class) {
				return false, false
			}
			one(func(c rune) bool { return within(class, c) != not })
			rest = rest[n+1:]
		case '\\':
			if len(rest) == 0 {
				return false, false
			}
			c, rest = rest[0], rest[1:]
			fallthrough
		default:
			one(func(x rune) bool { return x == c })
		}
	}
	return at[len(chars)], utf8.ValidString(pattern)
}

// ranges calls fn for each of the ranges that a class consists of, as long as it returns true.
func ranges(class []rune, fn func(low, high rune) bool) {
	for len(class) > 0 {
		n := 1
		if len(class) > 2 && class[1] == '-' {
			n = 3
		}
		if !fn(class[0], class[n-1]) {
			return
		}
		class = class[n:]
	}
}

func ordered(class []rune) (ok bool) {
	ranges(class, func(low, high rune) bool {
		ok = low <= high
		return ok
	})
	return ok
}

func within(class []rune, c rune) (is bool) {
	ranges(class, func(low, high rune) bool {
		is = low <= c && c <= high
		return !is
	})
	return is
}

// FuzzGlob holds patterns against matchNaively.
func FuzzGlob(f *testing.F) {
	for pattern, name := range map[string]string{
		"*/libssl.so*": "/usr/lib/libssl.so.3", "a?c": "a\xffc", "[!a-cx-]*": "-ä\n", `[]\-a]\*`: "^*", "[[:alpha:]]": "a]", "[z-a]": "", `a\`: "a", "[": "",
		"*a*a*a*a*b": strings.Repeat("a", 99),
	} {
		f.Add(pattern, name)
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		want, ok := matchNaively(pattern, name)
		g, err := ParseGlob(pattern)
		if (err == nil) != ok {
			t.Fatalf("%q: %v", pattern, err)
		}
		if err == nil && g.Match(name) != want {
			t.Fatalf("%q matches %q: %t, want %t", pattern, name, !want, want)
		}
	})
}
