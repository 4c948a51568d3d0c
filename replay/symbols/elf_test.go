package symbols

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// content is a section of a file that a test makes.
type content struct {
	elf.Section64
	name string
	data []byte
}

const (
	textAddr = 0x401080
	textOff  = 0x80
	textSize = 0x100
)

// makeELF makes a 64-bit program with an executable segment. Section 1 is its text; what else
// there is follows. spoil changes the section headers before they are written.
func makeELF(order binary.ByteOrder, rest []content, spoil func([]elf.Section64)) []byte {
	all := append([]content{{}, {
		elf.Section64{Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_EXECINSTR), Addr: textAddr},
		".text", make([]byte, textSize)}}, rest...)
	names := content{elf.Section64{Type: uint32(elf.SHT_STRTAB)}, ".shstrtab", []byte{0}}
	all = append(all, names)
	last := &all[len(all)-1]
	for i := 1; i < len(all); i++ {
		all[i].Name = uint32(len(last.data))
		last.data = append(last.data, all[i].name+"\x00"...)
	}
	body := make([]byte, textOff)
	var heads []elf.Section64
	for i, c := range all {
		if i > 0 {
			c.Off, c.Size = uint64(len(body)), uint64(len(c.data))
			body = append(body, c.data...)
			body = append(body, make([]byte, -len(body)&7)...)
		}
		heads = append(heads, c.Section64)
	}
	spoil(heads)
	head := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
		Phoff: 64, Phentsize: 56, Phnum: 1, Ehsize: 64,
		Shoff: uint64(len(body)), Shentsize: 64, Shnum: uint16(len(heads)), Shstrndx: uint16(len(heads) - 1),
	}
	if order == binary.BigEndian {
		head.Ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	load := elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_X | elf.PF_R),
		Off: textOff, Vaddr: textAddr, Filesz: textSize, Memsz: textSize}
	copy(body, encode(order, head))
	copy(body[64:], encode(order, load))
	return append(body, encode(order, heads)...)
}

func encode(order binary.ByteOrder, values ...any) []byte {
	var b bytes.Buffer
	for _, v := range values {
		if err := binary.Write(&b, order, v); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// symbolELF has the functions "first", 16 bytes, and "second", without a size.
func symbolELF(order binary.ByteOrder, spoil func([]elf.Section64)) []byte {
	info := uint8(elf.STB_GLOBAL)<<4 | uint8(elf.STT_FUNC)
	return makeELF(order, []content{
		{elf.Section64{Type: uint32(elf.SHT_SYMTAB), Link: 3, Entsize: 24}, ".symtab", encode(order, []elf.Sym64{
			{}, {Name: 1, Info: info, Shndx: 1, Value: textAddr, Size: 16}, {Name: 7, Info: info, Shndx: 1, Value: textAddr + 32}})},
		{elf.Section64{Type: uint32(elf.SHT_STRTAB)}, ".strtab", []byte("\x00first\x00second\x00")},
	}, spoil)
}

// goELF is a stripped Go program with the functions main.first and main.second.
func goELF(order binary.ByteOrder) []byte {
	const names = "\x00main.first\x00main.second\x00"
	const namesAt, tableAt = 72, 72 + 24
	table := encode(order, uint32(pclntab120), []byte{0, 0, 1, 8},
		[]uint64{2, 0, textAddr, namesAt, namesAt + 24, namesAt + 24, namesAt + 24, tableAt},
		[]byte(names), // 24 bytes
		[]uint32{0, 20, 0x40, 28, textSize}, []uint32{0, 1}, []uint32{0x40, 12})
	return makeELF(order, []content{
		{elf.Section64{Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC), Addr: textAddr + 0x1000}, ".gopclntab", table},
	}, func([]elf.Section64) {})
}

// TestMadeELF asks the files that tests make, in both byte orders.
func TestMadeELF(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for name, c := range map[string]struct {
			file []byte
			want []string
		}{
			"symbols": {symbolELF(order, func([]elf.Section64) {}), []string{"first .symtab 16", "second .symtab 224"}},
			"pclntab": {goELF(order), []string{"main.first .gopclntab 64", "main.second .gopclntab 192"}},
		} {
			table, err := openBytes(c.file)
			if err != nil {
				t.Errorf("%s, %v: %v", name, order, err)
				continue
			}
			var got []string
			for off := uint64(textOff); off < textOff+textSize; off += 8 {
				if s, ok := table.At(off); ok {
					got = append(got, strings.Join([]string{s.Name, s.Source.String(), strconv.FormatUint(s.Size, 10)}, " "))
				}
			}
			if got = slices.Compact(got); !slices.Equal(got, c.want) {
				t.Errorf("%s, %v: %q, want %q", name, order, got, c.want)
			}
		}
	}
}
