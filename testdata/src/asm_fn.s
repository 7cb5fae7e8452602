# A unit written in assembler: the assembler itself describes asm_global and asm_local in DWARF
# (language Mips_Assembler, return type DW_TAG_unspecified_type); asm_untyped has no STT_FUNC symbol.
	.text
	.globl	asm_global
	.type	asm_global, %function
asm_global:
	nop
	nop
	.size	asm_global, . - asm_global

	.type	asm_local, %function
asm_local:
	nop
	.size	asm_local, . - asm_local

	.globl	asm_untyped
asm_untyped:
	nop

	.section .note.GNU-stack, "", %progbits
