# Units that import each other, and themselves.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_imported_unit
	attr	DW_AT_import, DW_FORM_ref_addr
	end_abbrev
	end_abbrevs
	.section .debug_info
.Lother:
	.4byte	.Lother_end - .Lother_body
.Lother_body:
	.2byte	5
	.byte	1, 8
	.4byte	.Labbrevs
.Lother_die:
	unit_die
	.uleb128 3
	.4byte	.Lunit_die
	end_children
.Lother_end:
	unit
.Lunit_die:
	unit_die
	.uleb128 3
	.4byte	.Lother_die
	.uleb128 3
	.4byte	.Lunit_die
	.uleb128 3
	.4byte	0x7ffffff0
	base_int
	end_children
	end_unit
