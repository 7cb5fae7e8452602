# A chain of 100000 pointers, each to the next, the last to `int`: every reference leads forward.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_pointer_type
	attr	DW_AT_byte_size, DW_FORM_data1
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	.rept	100000
	.uleb128 3
	.byte	8
	.4byte	. - .Lunit + 4
	.endr
	base_int
	end_children
	end_unit
