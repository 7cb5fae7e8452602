# The unit's abbreviations lie beyond the end of .debug_abbrev.
	.include "dwarf.inc"
	program
	usual_abbrevs
	end_abbrevs
	.section .debug_info
	.4byte	.Lunit_end - .Lunit_body
.Lunit_body:
	.2byte	5
	.byte	1, 8
	.4byte	0x10000000
	unit_die
	base_int
	end_children
	end_unit
