# LEB128 numbers of 30 bytes, in a size, in a reference and in an abbreviation code.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_structure_type, 0
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_udata
	end_abbrev
	abbrev	4, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref_udata
	end_abbrev
	end_abbrevs
	.macro	long_number
	.rept	29
	.byte	0xff
	.endr
	.byte	0x7f
	.endm
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"endless"
	long_number
	.uleb128 4
	.asciz	"endless_t"
	long_number
	long_number
	end_children
	end_unit
