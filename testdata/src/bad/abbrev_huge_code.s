# Abbreviation codes of 32 and 64 bits, declared and used: legal, but no index of an array.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	0xfffffff0, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	0x7ffffffffffffff0, DW_TAG_const_type
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 0xfffffff0
	.asciz	"sound_t"
	.4byte	.Lint - .Lunit
	.uleb128 0x7ffffffffffffff0
	.4byte	.Lint - .Lunit
	end_children
	end_unit
