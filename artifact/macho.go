package artifact

import (
	"debug/macho"
	"encoding/binary"
	"io"
	"slices"
)

// maxSlices tells a universal file from a Java class, which begins with the same four bytes:
// what follows is a number of slices, or a Java version, and those begin at 45.
const maxSlices = 42

// isMachO says whether head is the beginning of a Mach-O file, thin or universal. The layout is
// that of Apple's mach-o/loader.h and mach-o/fat.h.
func isMachO(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	if binary.BigEndian.Uint32(head) == macho.MagicFat {
		n := binary.BigEndian.Uint32(head[4:])
		return n > 0 && n <= maxSlices
	}
	return machoOrder(head) != nil
}

// machoOrder returns the byte order that the magic number is written in, or nil if it is none.
func machoOrder(head []byte) binary.ByteOrder {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if m := order.Uint32(head); m == macho.Magic32 || m == macho.Magic64 {
			return order
		}
	}
	return nil
}

func readMachO(r io.ReaderAt, size int64) (Needs, error) {
	head := make([]byte, min(size, 8+maxSlices*20))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return Needs{}, err
	}
	if binary.BigEndian.Uint32(head) != macho.MagicFat {
		return readSlice(r, size)
	}
	all := Needs{}
	for i := range binary.BigEndian.Uint32(head[4:]) {
		var slice macho.FatArchHeader
		if _, err := binary.Decode(head[min(len(head), int(8+20*i)):], binary.BigEndian, &slice); err != nil {
			return Needs{}, errDamaged("Mach-O", "it ends within its first header")
		}
		if end := uint64(slice.Offset) + uint64(slice.Size); end > uint64(size) {
			return Needs{}, errCutShort(end, size)
		}
		one, err := readSlice(io.NewSectionReader(r, int64(slice.Offset), int64(slice.Size)), int64(slice.Size))
		if err != nil {
			return Needs{}, err
		}
		all = all.with(one)
	}
	return all, nil
}

// with returns the needs of a universal file that has one more slice.
func (n Needs) with(slice Needs) Needs {
	archs := n.Archs
	if n.OS == "" {
		n = slice
	}
	n.Archs = archs
	if !slices.Contains(archs, slice.Archs[0]) {
		n.Archs = append(archs, slice.Archs[0])
	}
	return n
}

// cpus are Go's names by processor.
var cpus = map[macho.Cpu]string{
	macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64", macho.Cpu386: "386",
	macho.CpuArm: "arm", macho.CpuPpc64: "ppc64", macho.CpuPpc: "ppc",
}

// readSlice reads the executable for one processor.
func readSlice(r io.ReaderAt, size int64) (Needs, error) {
	buf := make([]byte, 32)
	n, _ := r.ReadAt(buf, 0)
	if n < len(buf) || machoOrder(buf) == nil {
		return Needs{}, errDamaged("Mach-O", "it has no header")
	}
	order := machoOrder(buf)
	var h macho.FileHeader
	binary.Decode(buf, order, &h)
	arch, ok := cpus[h.Cpu]
	switch {
	case h.Type == macho.TypeObj:
		return Needs{}, refusal(ErrFormat, "link it into a program first", "is an object file")
	case h.Type == macho.TypeDylib || h.Type == macho.TypeBundle:
		return Needs{}, refusal(ErrFormat, "name the program that uses it", "is a shared library")
	case h.Type != macho.TypeExec:
		return Needs{}, errDamaged("Mach-O", h.Type)
	case !ok:
		return Needs{}, errDamaged("Mach-O", h.Cpu)
	}
	head, err := loadCommands(r, size, order, h)
	if err != nil {
		return Needs{}, err
	}
	needs := Needs{OS: "darwin", Archs: []string{arch}}
	needs.addBuildInfo(&headers{r, head, headerBudget})
	return needs, nil
}

// maxCommands bounds the load commands, in bytes; large programs have some tens of kilobytes.
const maxCommands = 1 << 20

// loadCommands returns the header and load commands with the symbol tables hidden. It refuses a
// file that ends before its segments do.
func loadCommands(r io.ReaderAt, size int64, order binary.ByteOrder, h macho.FileHeader) ([]byte, error) {
	first := 28
	if h.Magic == macho.Magic64 {
		first = 32
	}
	if h.Cmdsz > maxCommands {
		return nil, errDamaged("Mach-O", "it has too many load commands")
	}
	head := make([]byte, first+int(h.Cmdsz))
	if n, _ := r.ReadAt(head, 0); n < len(head) {
		return nil, errCutShort(uint64(len(head)), size)
	}
	for cmds := head[first:]; len(cmds) >= 8; {
		length := order.Uint32(cmds[4:])
		if length < 8 || uint64(length) > uint64(len(cmds)) {
			return nil, errDamaged("Mach-O", "a load command has a wrong size")
		}
		switch cmd := macho.LoadCmd(order.Uint32(cmds)); cmd {
		case macho.LoadCmdSymtab, macho.LoadCmdDysymtab:
			order.PutUint32(cmds, 0)
		case macho.LoadCmdSegment, macho.LoadCmdSegment64:
			if end := segmentEnd(cmds[:length], order, cmd); end > uint64(size) {
				return nil, errCutShort(end, size)
			}
		}
		cmds = cmds[length:]
	}
	return head, nil
}

// segmentEnd returns the offset of the end of a segment in the file.
func segmentEnd(command []byte, order binary.ByteOrder, cmd macho.LoadCmd) uint64 {
	if cmd == macho.LoadCmdSegment {
		var s macho.Segment32
		binary.Decode(command, order, &s)
		return uint64(s.Offset) + uint64(s.Filesz)
	}
	var s macho.Segment64
	binary.Decode(command, order, &s)
	return after(s.Offset, s.Filesz)
}
