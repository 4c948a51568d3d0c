package procmap

import "testing"

func TestAppendMapsLine(t *testing.T) {
	const rx = Readable | Executable
	for name, test := range map[string]struct {
		v    VMA
		want string
	}{
		"file": {
			VMA{Start: 0x7f5b1c028000, End: 0x7f5b1c18c000, Offset: 0x28000, Flags: rx,
				Major: 8, Minor: 1, Inode: 1835, Name: []byte("/usr/lib/libc.so.6")},
			"7f5b1c028000-7f5b1c18c000 r-xp 00028000 08:01 1835                       /usr/lib/libc.so.6\n",
		},
		"no name": {
			VMA{Start: 0x400000, End: 0x401000},
			"00400000-00401000 ---p 00000000 00:00 0 \n",
		},
		"name unknown": {
			VMA{Start: 0x400000, End: 0x401000, Minor: 1, NameUnknown: true},
			"00400000-00401000 ---p 00000000 00:01 0 \n",
		},
		"deleted, newline and backslash": {
			VMA{Start: 0x400000, End: 0x401000, Flags: Writable | Shared, Inode: 7,
				Name: []byte("/a\nb\\c"), Deleted: true},
			"00400000-00401000 -w-s 00000000 00:00 7" +
				"                                  /a\\012b\\c (deleted)\n",
		},
		"fields up to the column": {
			VMA{Start: 0xffffffffff600000, End: 0xffffffffff601000, Offset: 0x123456789abc,
				Major: 0x103, Minor: 0x12345, Inode: 123456789, Name: []byte("/x")},
			"ffffffffff600000-ffffffffff601000 ---p 123456789abc 103:12345 123456789  /x\n",
		},
		"fields past the column": {
			VMA{Start: 0xffffffffff600000, End: 0xffffffffff601000, Offset: 0x123456789abc,
				Major: 0x103, Minor: 0x12345, Inode: 12345678901234, Name: []byte("/x")},
			"ffffffffff600000-ffffffffff601000 ---p 123456789abc 103:12345 12345678901234  /x\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(AppendMapsLine(nil, &test.v)); got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
			if got := string(AppendMapsLine([]byte("before "), &test.v)); got != "before "+test.want {
				t.Errorf("appended: %q", got)
			}
		})
	}
}
