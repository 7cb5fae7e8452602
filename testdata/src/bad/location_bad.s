# Per-CPU variables with broken locations: an address cut short, an empty expression, an unknown operation, an address in no section, an index without .debug_addr, a list beyond .debug_loclists. One is sound.
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
	attr	DW_AT_type, DW_FORM_ref4
	attr	DW_AT_location, DW_FORM_sec_offset
	end_abbrev
	abbrev	5, DW_TAG_variable
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref4
	attr	DW_AT_location, DW_FORM_loclistx
	end_abbrev
	end_abbrevs
	.section .data..percpu, "aw", %progbits
	.globl	sound_percpu
	.type	sound_percpu, %object
sound_percpu:
	.4byte	1
	.size	sound_percpu, 4
	.set	DW_OP_addr, 0x03
	.set	DW_OP_addrx, 0xa1
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"sound_percpu"
	.4byte	.Lint - .Lunit
	.uleb128 9
	.byte	DW_OP_addr
	.8byte	sound_percpu
	.uleb128 3
	.asciz	"cut_short"
	.4byte	.Lint - .Lunit
	.uleb128 4
	.byte	DW_OP_addr, 1, 2, 3
	.uleb128 3
	.asciz	"nothing"
	.4byte	.Lint - .Lunit
	.uleb128 0
	.uleb128 3
	.asciz	"unknown_operation"
	.4byte	.Lint - .Lunit
	.uleb128 2
	.byte	0xff, 0xff
	.uleb128 3
	.asciz	"no_section"
	.4byte	.Lint - .Lunit
	.uleb128 9
	.byte	DW_OP_addr
	.8byte	0xfffffffffffffff8
	.uleb128 3
	.asciz	"no_debug_addr"
	.4byte	.Lint - .Lunit
	.uleb128 2
	.byte	DW_OP_addrx
	.uleb128 5
	.uleb128 4
	.asciz	"no_loclists"
	.4byte	.Lint - .Lunit
	.4byte	0x7ffffff0
	.uleb128 5
	.asciz	"no_loclists_index"
	.4byte	.Lint - .Lunit
	.uleb128 3
	end_children
	end_unit
