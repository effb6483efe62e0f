package artifact_test

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"encoding/binary"
	"slices"
)

// tinyELF is the least dynamic program that says all a host may be asked for. Its segments are
// loaded where they stand in the file.
type tinyELF struct {
	order       binary.ByteOrder // little-endian if nil
	osabi       elf.OSABI
	kind        elf.Type    // ET_EXEC if zero
	machine     elf.Machine // EM_X86_64 if zero
	interpreter string
	note        string   // owner of a PT_NOTE
	versions    []string // wanted of libc.so.6; "weak " before one that is not insisted on
}

const (
	tinyHeaders = 0x40 + 4*0x38
	tinyEnd     = 0x1000
)

func (e tinyELF) bytes() []byte {
	order := e.order
	data := elf.ELFDATA2MSB
	if order == nil {
		order = binary.LittleEndian
	}
	if order == binary.LittleEndian {
		data = elf.ELFDATA2LSB
	}
	if e.kind == 0 {
		e.kind = elf.ET_EXEC
	}
	if e.machine == 0 {
		e.machine = elf.EM_X86_64
	}
	var body bytes.Buffer // begins at tinyHeaders
	at := func() uint64 { return tinyHeaders + uint64(body.Len()) }
	put := func(v any) { _ = binary.Write(&body, order, v) }
	segments := []elf.Prog64{{Type: uint32(elf.PT_LOAD), Filesz: tinyEnd, Memsz: tinyEnd}}
	segment := func(t elf.ProgType, from uint64) {
		n := at() - from
		segments = append(segments, elf.Prog64{Type: uint32(t), Off: from, Vaddr: from, Filesz: n, Memsz: n})
	}
	if e.interpreter != "" {
		from := at()
		body.WriteString(e.interpreter + "\x00")
		segment(elf.PT_INTERP, from)
	}
	if e.note != "" {
		from := at()
		put([]uint32{uint32(len(e.note) + 1), 0, 1})
		body.WriteString(e.note + "\x00")
		segment(elf.PT_NOTE, from)
	}
	if e.versions != nil {
		e.putVersions(&body, at, put)
		from := at() - 4*16
		segment(elf.PT_DYNAMIC, from)
	}
	head := elf.Header64{
		Type: uint16(e.kind), Machine: uint16(e.machine), Version: 1, Entry: 0x100,
		Phoff: 0x40, Ehsize: 0x40, Phentsize: 0x38, Phnum: uint16(len(segments)),
	}
	copy(head.Ident[:], "\x7fELF")
	head.Ident[elf.EI_CLASS], head.Ident[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(data)
	head.Ident[elf.EI_VERSION], head.Ident[elf.EI_OSABI] = 1, byte(e.osabi)
	var all bytes.Buffer
	_ = binary.Write(&all, order, head)
	_ = binary.Write(&all, order, segments)
	all.Write(make([]byte, tinyHeaders-all.Len()))
	all.Write(body.Bytes())
	all.Write(make([]byte, tinyEnd-all.Len()))
	return all.Bytes()
}

// putVersions writes the names, the versions wanted and, last, the dynamic table.
func (e tinyELF) putVersions(body *bytes.Buffer, at func() uint64, put func(any)) {
	strtab := at()
	names := []byte("\x00libc.so.6\x00")
	var wanted []vernaux
	for i, v := range e.versions {
		x := vernaux{Name: uint32(len(names)), Next: 16}
		if name, ok := bytes.CutPrefix([]byte(v), []byte("weak ")); ok {
			x.Flags, v = 2, string(name)
		}
		if i == len(e.versions)-1 {
			x.Next = 0
		}
		names = append(names, v+"\x00"...)
		wanted = append(wanted, x)
	}
	body.Write(names)
	verneed := at()
	put([]uint16{1, uint16(len(wanted))})
	put([]uint32{1, 16, 0})
	put(wanted)
	put([]uint64{
		uint64(elf.DT_STRTAB), strtab, uint64(elf.DT_VERNEED), verneed, uint64(elf.DT_VERNEEDNUM), 1, uint64(elf.DT_NULL), 0,
	})
}

type vernaux struct {
	Hash         uint32
	Flags, Other uint16
	Name, Next   uint32
}

// tinyMachO is the least Mach-O program: a header and one segment that is all of the file.
func tinyMachO(cpu macho.Cpu, kind macho.Type) []byte {
	const size = 0x1000
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, macho.FileHeader{
		Magic: macho.Magic64, Cpu: cpu, Type: kind, Ncmd: 1, Cmdsz: 72,
	})
	b.Write(make([]byte, 4)) // reserved
	_ = binary.Write(&b, binary.LittleEndian, macho.Segment64{Cmd: macho.LoadCmdSegment64, Len: 72, Filesz: size, Memsz: size})
	b.Write(make([]byte, size-b.Len()))
	return b.Bytes()
}

// universal packs Mach-O files into one, as lipo(1) does.
func universal(slices ...[]byte) string {
	const page = 0x4000
	all := binary.BigEndian.AppendUint32(nil, macho.MagicFat)
	all = binary.BigEndian.AppendUint32(all, uint32(len(slices)))
	at := page
	for _, s := range slices {
		cpu := binary.LittleEndian.Uint32(s[4:])
		for _, v := range []uint32{cpu, 0, uint32(at), uint32(len(s)), 14} {
			all = binary.BigEndian.AppendUint32(all, v)
		}
		at += (len(s) + page - 1) / page * page
	}
	at = page
	for _, s := range slices {
		all = append(append(all, make([]byte, at-len(all))...), s...)
		at += (len(s) + page - 1) / page * page
	}
	return string(all)
}

// forged returns a copy of file with these bytes at an offset.
func forged(file []byte, at int, b ...byte) []byte {
	file = slices.Clone(file)
	copy(file[at:], b)
	return file
}
