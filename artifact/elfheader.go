package artifact

import (
	"debug/elf"
	"encoding/binary"
	"io"
)

// elfHeader is the first header of an ELF file, as far as it decides which tables the standard
// parsers may see.
type elfHeader struct {
	raw      []byte // 52 or 64 bytes
	order    binary.ByteOrder
	width    int    // bytes of an address: 4 or 8
	sections uint64 // offset of the section table; 0 if it was stripped
	counts   elfCounts
}

// elfCounts ends the header in both classes.
type elfCounts struct{ Phentsize, Phnum, Shentsize, Shnum, Shstrndx uint16 }

// maxProgramHeaders is the most bytes of program headers that Linux takes (fs/binfmt_elf.c).
const maxProgramHeaders = 64 << 10

// A section table within these bounds costs a parser little; programs have some forty sections,
// with names of some hundred bytes together.
const (
	maxSections     = 256
	maxSectionNames = 64 << 10
)

func readELFHeader(r io.ReaderAt, size int64) (*elfHeader, error) {
	raw := make([]byte, 64)
	n, _ := r.ReadAt(raw, 0)
	h := &elfHeader{raw: raw, order: binary.LittleEndian, width: 8}
	if elf.Data(raw[elf.EI_DATA]) == elf.ELFDATA2MSB {
		h.order = binary.BigEndian
	}
	if elf.Class(raw[elf.EI_CLASS]) == elf.ELFCLASS32 {
		h.raw, h.width = raw[:52], 4
	}
	if n < len(h.raw) {
		return nil, errDamaged("ELF", "it ends within its first header")
	}
	h.sections = h.word(h.offsetField())
	binary.Decode(h.raw[len(h.raw)-10:], h.order, &h.counts)
	if uint32(h.counts.Phentsize)*uint32(h.counts.Phnum) > maxProgramHeaders {
		return nil, errDamaged("ELF", "it has too many program headers")
	}
	// What comes last is the section table or one of the sections: a file cut anywhere has
	// lost some of it.
	if end := h.end(r, size); end > uint64(size) {
		return nil, errCutShort(end, size)
	}
	return h, nil
}

// end returns where the sections and their table end in the file, as far as they say so.
func (h *elfHeader) end(r io.ReaderAt, size int64) uint64 {
	entry, count := int(h.counts.Shentsize), int(h.counts.Shnum)
	if h.sections == 0 {
		return 0
	}
	last := after(h.sections, uint64(entry*max(count, 1)))
	if last > uint64(size) || count > maxSections || entry != 16+6*h.width {
		return last
	}
	table := make([]byte, entry*count)
	n, _ := r.ReadAt(table, int64(h.sections))
	for s := table[:n]; len(s) >= entry; s = s[entry:] {
		if t := elf.SectionType(h.order.Uint32(s[4:])); t == elf.SHT_NULL || t == elf.SHT_NOBITS {
			continue // nothing of it is in the file
		}
		offset, length := h.word(s[8+2*h.width:][:h.width]), h.word(s[8+3*h.width:][:h.width])
		last = max(last, after(offset, length))
	}
	return last
}

// after returns the end of what begins at an offset, or the highest there is if that is none.
func after(offset, size uint64) uint64 {
	if end := offset + size; end >= offset {
		return end
	}
	return 1<<64 - 1
}

// offsetField is where the header says where the section table is.
func (h *elfHeader) offsetField() []byte { return h.raw[24+2*h.width:][:h.width] }

// word reads an address or size, in as many bytes as b has.
func (h *elfHeader) word(b []byte) uint64 {
	if len(b) == 4 {
		return uint64(h.order.Uint32(b))
	}
	return h.order.Uint64(b)
}

// bare is the file with its section table hidden, as a host sees it.
func (h *elfHeader) bare(r io.ReaderAt) *headers {
	head := append([]byte(nil), h.raw...)
	blind := elfHeader{raw: head, width: h.width}
	clear(blind.offsetField())
	clear(head[len(head)-4:]) // Shnum, Shstrndx
	return &headers{r, head, headerBudget}
}

// full is the file with its section table, by which Go's build information is found at once,
// unless that table is larger than that of any program.
func (h *elfHeader) full(r io.ReaderAt) *headers {
	if h.counts.Shnum == 0 || h.counts.Shnum > maxSections || !h.plainNames(r) {
		return h.bare(r)
	}
	return &headers{r, nil, headerBudget}
}

// plainNames says whether the section that holds the names of all is short and not compressed.
func (h *elfHeader) plainNames(r io.ReaderAt) bool {
	section := make([]byte, 8+5*h.width) // name, type, flags, address, offset, size …
	at := h.sections + uint64(h.counts.Shentsize)*uint64(h.counts.Shstrndx)
	if n, _ := r.ReadAt(section, int64(at)); n < len(section) {
		return false
	}
	flags, size := h.word(section[8:][:h.width]), h.word(section[8+3*h.width:][:h.width])
	return elf.SectionFlag(flags)&elf.SHF_COMPRESSED == 0 && size <= maxSectionNames
}
