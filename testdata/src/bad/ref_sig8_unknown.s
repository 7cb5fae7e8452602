# A reference by the signature of a type unit that does not exist, and one to the supplementary file, which does not exist either.
	.include "dwarf.inc"
	program
	usual_abbrevs
	abbrev	3, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, DW_FORM_ref_sig8
	end_abbrev
	abbrev	4, DW_TAG_typedef
	attr	DW_AT_name, DW_FORM_string
	attr	DW_AT_type, 0x1c
	end_abbrev
	end_abbrevs
	unit
	unit_die
	base_int
	.uleb128 3
	.asciz	"by_signature_t"
	.8byte	0x1122334455667788
	.uleb128 4
	.asciz	"supplementary_t"
	.4byte	0x20
	end_children
	end_unit
