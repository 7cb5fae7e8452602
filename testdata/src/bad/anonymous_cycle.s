# Unnamed structs that point at each other: a cycle without any name in it, which C cannot write.
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
	base_int
.Lfirst:
	.uleb128 3
	.byte	8
	.uleb128 4
	.asciz	"second"
	.4byte	.Lto_second - .Lunit
	end_children
.Lsecond:
	.uleb128 3
	.byte	8
	.uleb128 4
	.asciz	"first"
	.4byte	.Lto_first - .Lunit
	end_children
.Lto_first:
	.uleb128 5
	.byte	8
	.4byte	.Lfirst - .Lunit
.Lto_second:
	.uleb128 5
	.byte	8
	.4byte	.Lsecond - .Lunit
	end_children
	end_unit
