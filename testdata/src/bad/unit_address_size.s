# A unit whose addresses have 3 bytes.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_subprogram
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_low_pc, DW_FORM_addr
	end_abbrev
	end_abbrevs
	.section .debug_info
	.4byte	.Lunit_end - .Lunit_body
.Lunit_body:
	.2byte	5
	.byte	1, 3
	.4byte	.Labbrevs
	unit_die
	base_int
	.uleb128 3
	.asciz	"bad_function"
	.byte	1, 2, 3
	end_children
	end_unit
