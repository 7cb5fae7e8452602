# Two pointers to each other, a pointer to itself, and a cycle of const, volatile and typedef.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_pointer_type
	attr	DW_AT_byte_size, DW_FORM_data1
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	4, DW_TAG_const_type
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	5, DW_TAG_volatile_type
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
.La:
	.uleb128 3
	.byte	8
	.4byte	.Lb - .Lunit
.Lb:
	.uleb128 3
	.byte	8
	.4byte	.La - .Lunit
.Lself:
	.uleb128 3
	.byte	8
	.4byte	.Lself - .Lunit
.Lconst:
	.uleb128 4
	.4byte	.Lvolatile - .Lunit
.Lvolatile:
	.uleb128 5
	.4byte	.Ltypedef - .Lunit
.Ltypedef:
	.uleb128 6
	.asciz	"round_t"
	.4byte	.Lconst - .Lunit
	end_children
	end_unit
