# References to DIEs that are no types: a variable, a member, an enumerator, a subrange.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_variable
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	4, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	5, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	6, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
.Lvariable:
	.uleb128 3
	.asciz	"variable"
	.4byte	.Lint - .Lunit
	.uleb128 4
	.asciz	"holder"
	.byte	4
.Lmember:
	.uleb128 5
	.asciz	"member"
	.4byte	.Lvariable - .Lunit
	end_children
	.uleb128 6
	.asciz	"of_variable_t"
	.4byte	.Lvariable - .Lunit
	.uleb128 6
	.asciz	"of_member_t"
	.4byte	.Lmember - .Lunit
	end_children
	end_unit
