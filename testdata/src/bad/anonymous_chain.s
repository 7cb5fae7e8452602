# A chain of 20000 unnamed structs, each with a pointer to the next: nothing but content tells them apart.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_structure_type, 1
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	4, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	5, DW_TAG_pointer_type
	attr	DW_AT_byte_size, DW_FORM_data1
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	.rept	20000
	.uleb128 3
	.byte	8
	.uleb128 4
	.asciz	"next"
	.4byte	. - .Lunit + 5
	end_children
	.uleb128 5
	.byte	8
	.4byte	. - .Lunit + 4
	.endr
	base_int
	end_children
	end_unit
