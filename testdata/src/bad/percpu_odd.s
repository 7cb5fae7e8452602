# Per-CPU variables beside the rules: beyond the section's end by half, of type void, of a struct without size, with a name that is no identifier, two on one address.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_variable
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	attr	DW_AT_external, DW_FORM_flag_present
	attr	DW_AT_location, DW_FORM_exprloc
	end_abbrev
	abbrev	4, DW_TAG_variable
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_external, DW_FORM_flag_present
	attr	DW_AT_location, DW_FORM_exprloc
	end_abbrev
	abbrev	5, DW_TAG_structure_type
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_declaration, DW_FORM_flag_present
	end_abbrev
	abbrev	6, DW_TAG_array_type, 1
	attr	DW_AT_type, DW_FORM_ref4
	end_abbrev
	abbrev	7, DW_TAG_subrange_type
	attr	DW_AT_count, DW_FORM_data4
	end_abbrev
	end_abbrevs
	.section .data..percpu, "aw", %progbits
	.macro	percpu name
	.globl	\name
	.type	\name, %object
\name:	.4byte	1
	.size	\name, 4
	.endm
	percpu	at_zero
	percpu	sound
	percpu	half_outside
	.set	DW_OP_addr, 0x03
	.macro	variable name, type, address
	.uleb128 3
	.asciz	"\name"
	.4byte	\type - .Lunit
	.uleb128 9
	.byte	DW_OP_addr
	.8byte	\address
	.endm
	unit
	unit_die
	base_int
.Ldeclared:
	.uleb128 5
	.asciz	"declared_only"
.Ltable:
	.uleb128 6
	.4byte	.Lint - .Lunit
	.uleb128 7
	.4byte	1000
	end_children
.Lenormous:
	.uleb128 6
	.4byte	.Lint - .Lunit
	.uleb128 7
	.4byte	0xffffffff
	end_children
	variable at_zero, .Lint, at_zero
	variable other_name_at_zero, .Lint, at_zero
	variable sound, .Lint, sound
	variable same_address, .Lint, sound
	variable half_outside, .Ltable, half_outside
	variable enormous, .Lenormous, half_outside
	variable of_declared_struct, .Ldeclared, sound
	variable "not an identifier", .Lint, sound
	variable "9digit", .Lint, sound
	variable "", .Lint, sound
	.uleb128 4
	.asciz	"of_void"
	.uleb128 9
	.byte	DW_OP_addr
	.8byte	sound
	variable after_of_void, .Lint, half_outside
	end_children
	end_unit
