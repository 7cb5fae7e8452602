# DIEs of tags that no encoder for C knows, with types below them, and references to them. `int` is sound.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, 0x4321, 1
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	4, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	5, 0x38
	attr	DW_AT_name, DW_FORM_string
	end_abbrev
	abbrev	6, 0x10
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
.Lvendor:
	.uleb128 3
	.asciz	"vendor"
	.uleb128 4
	.asciz	"below_t"
	.4byte	.Lint - .Lunit
	end_children
.Linterface:
	.uleb128 5
	.asciz	"interface"
.Lreference:
	.uleb128 6
	.4byte	.Lint - .Lunit
	.uleb128 4
	.asciz	"of_vendor_t"
	.4byte	.Lvendor - .Lunit
	.uleb128 4
	.asciz	"of_interface_t"
	.4byte	.Linterface - .Lunit
	.uleb128 4
	.asciz	"of_reference_t"
	.4byte	.Lreference - .Lunit
	end_children
	end_unit
