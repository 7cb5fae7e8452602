# Unnamed structs inside structs, 10000 deep.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_structure_type, 1
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.rept	10000
	.uleb128 3
	.byte	4
	.endr
	.rept	10000
	end_children
	.endr
	end_children
	end_unit
