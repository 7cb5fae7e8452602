# Functions whose abstract origin or specification is the function itself, each other, or no function.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_subprogram, 1
	attr	DW_AT_abstract_origin, DW_FORM_ref4
	attr	DW_AT_low_pc, DW_FORM_addr
	end_abbrev
	abbrev	4, DW_TAG_formal_parameter
	attr	DW_AT_abstract_origin, DW_FORM_ref4
	end_abbrev
	abbrev	5, DW_TAG_subprogram
	attr	DW_AT_specification, DW_FORM_ref4
	end_abbrev
	abbrev	6, DW_TAG_structure_type
	attr	DW_AT_specification, DW_FORM_ref4
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	7, DW_TAG_variable
	attr	DW_AT_specification, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
.Lself:
	.uleb128 3
	.4byte	.Lself - .Lunit
	.8byte	bad_function
.Lparam:
	.uleb128 4
	.4byte	.Lparam - .Lunit
	end_children
.La:
	.uleb128 5
	.4byte	.Lb - .Lunit
.Lb:
	.uleb128 5
	.4byte	.La - .Lunit
	.uleb128 5
	.4byte	.Lint - .Lunit
.Lstruct:
	.uleb128 6
	.4byte	.Lstruct - .Lunit
	.byte	4
.Lvariable:
	.uleb128 7
	.4byte	.Lvariable - .Lunit
	end_children
	end_unit
