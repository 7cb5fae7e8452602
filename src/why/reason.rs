//! The reasons in words.

/// It is in the output.
pub(super) const KEPT: &str = "kept";
/// It is in the base, so that the output need not have it.
pub(super) const IN_BASE: &str = "in-base";
/// Only declared: nobody describes it.
pub(super) const DECLARATION: &str = "declaration";
/// Nothing in the file has its code or its address.
pub(super) const NO_SYMBOL: &str = "no-symbol";
/// Every copy was inlined, and the symbol table has no function of the name.
pub(super) const INLINED: &str = "inlined";
/// A parameter has no name, or the DIE describes nothing.
pub(super) const NO_PROTOTYPE: &str = "no-prototype";
/// Its type is none that BTF has a word for.
pub(super) const NO_TYPE: &str = "no-type";
/// Its unit is left out.
pub(super) const LANGUAGE: &str = "language";

/// What a reason means, in a sentence; empty for a code that there is not.
pub fn sentence(code: &str) -> &'static str {
    match code {
        KEPT => "It is in the output.",
        IN_BASE => "The base has the same, so the output refers to that.",
        DECLARATION => "It is only declared here; what it declares is elsewhere or nowhere.",
        NO_SYMBOL => "The symbol table has no function of this name, so nothing can be attached to it.",
        INLINED => "The compiler inlined every copy, so there is no code of its own that could be traced.",
        NO_PROTOTYPE => {
            "A parameter has no name, or the entry describes no code: nothing is known of its prototype."
        }
        NO_TYPE => "BTF has no word for its type, which counts as void.",
        LANGUAGE => "Its units are left out because of their language.",
        "unexpected-register" => {
            "A parameter lies in another register than the calling convention names, so tracers would read garbage."
        }
        "inconsistent-prototype" => {
            "Functions of this name have different prototypes, and programs could not tell which one they get."
        }
        "uncertain-location" => {
            "A packed struct is passed on the stack, and nothing tells how it is aligned there."
        }
        "reordered-parameters" => "The compiler reordered its parameters, so the prototype would lie.",
        "optimized-parameters" => {
            "The compiler removed parameters from its only copy, so the prototype would lie."
        }
        "ambiguous-address" => "Several functions of this name lie at different addresses.",
        "too-many-parameters" => "It has more than the 255 parameters that readers of BTF take.",
        "invalid-name" => "Kernels refuse BTF with this name: it is no identifier.",
        "invalid-attribute" => "A set of kfuncs marks as an arena pointer what is no pointer.",
        "signature-changed" => "The compiler changed how it is called, and says so.",
        "no-size" => "Its type has no size, and an entry of a DATASEC must have one.",
        "overlaps" => "It lies where another variable does: a weak or common definition.",
        "discarded" => "The linker discarded it.",
        "too-many" => "Its section has more than the 65535 variables that a DATASEC takes.",
        "local" => "It is a variable of a function, and only those outside functions are encoded.",
        "no-address" => {
            "It has no address here: it is only declared, was optimised out, or lives in a register or per thread."
        }
        "other-section" => {
            "Its section is not encoded: by default only per-CPU variables are; +global_var encodes all."
        }
        "made-up-name" => "Macros of the kernel made up its name, which no program asks for.",
        _ => "",
    }
}
