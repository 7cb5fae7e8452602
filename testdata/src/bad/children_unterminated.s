# Nesting without end: structs in structs, the null DIEs are missing and the unit just stops.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.rept	5
	.uleb128 3
	.asciz	"open"
	.byte	4
	.endr
	end_unit
