# DW_FORM_ref_addr into another unit, both ways: legal, and what link-time optimisation writes. Sound.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_structure_type, 1
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_byte_size, DW_FORM_data1
	end_abbrev
	abbrev	4, DW_TAG_member
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref_addr
	end_abbrev
	abbrev	5, DW_TAG_pointer_type
	attr	DW_AT_byte_size, DW_FORM_data1
	attr	DW_AT_type, DW_FORM_ref_addr
	end_abbrev
	end_abbrevs
	.section .debug_info
	.4byte	.Lother_end - .Lother_body
.Lother_body:
	.2byte	5
	.byte	1, 8
	.4byte	.Labbrevs
	unit_die
.Lfar:
	.uleb128 3
	.asciz	"far"
	.byte	8
	.uleb128 4
	.asciz	"near_pointer"
	.4byte	.Lnear_pointer
	end_children
	end_children
.Lother_end:
	unit
	unit_die
	base_int
.Lnear:
	.uleb128 3
	.asciz	"near"
	.byte	8
	.uleb128 4
	.asciz	"far_member"
	.4byte	.Lfar
	end_children
.Lnear_pointer:
	.uleb128 5
	.byte	8
	.4byte	.Lnear
	end_children
	end_unit
