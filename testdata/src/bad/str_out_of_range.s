# A name beyond the end of .debug_str, one without an end in it, an index without .debug_str_offsets.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_strp
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	4, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_strx
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	.section .debug_str, "", %progbits
	.asciz	"sound_t"
	.ascii	"without end"
	unit
	unit_die
	base_int
	.uleb128 3
	.4byte	0
	.4byte	.Lint - .Lunit
	.uleb128 3
	.4byte	0x7ffffff0
	.4byte	.Lint - .Lunit
	.uleb128 3
	.4byte	8
	.4byte	.Lint - .Lunit
	.uleb128 4, 77
	.4byte	.Lint - .Lunit
	end_children
	end_unit
