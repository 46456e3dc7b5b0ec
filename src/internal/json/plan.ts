// Turns a schema without transformations into a table of checks. validator.ts checks values with it, and compiledReader.ts
// makes readers of texts from it.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

export type Plan =
  | { readonly is: "string" }
  | { readonly is: "number" }
  | { readonly is: "integer" }
  | { readonly is: "boolean" }
  | { readonly is: "literal"; readonly value: AST.LiteralValue }
  | { readonly is: "pattern"; readonly regex: RegExp }
  | { readonly is: "either"; readonly plans: ReadonlyArray<Plan> }
  | { readonly is: "tuple"; readonly plans: ReadonlyArray<Plan> }
  | { readonly is: "list"; readonly plan: Plan }
  | Fields

export interface Fields {
  readonly is: "fields"
  readonly names: ReadonlyArray<string>
  readonly plans: ReadonlyArray<Plan>
  readonly indexOf: ReadonlyMap<string, number>
  /** The number of required fields. They come before the optional ones. */
  readonly required: number
}

const all = <A>(items: ReadonlyArray<A | undefined>): ReadonlyArray<A> | undefined =>
  items.every(Predicate.isNotUndefined) ? items : undefined

const planRefinement = (ast: AST.Refinement): Plan | undefined => {
  const schemaId = Option.getOrUndefined(AST.getSchemaIdAnnotation(ast))
  if (schemaId === Schema.IntSchemaId && AST.isNumberKeyword(ast.from)) return { is: "integer" }
  const pattern = ast.annotations[Schema.PatternSchemaId]
  return schemaId === Schema.PatternSchemaId && AST.isStringKeyword(ast.from) &&
      Predicate.hasProperty(pattern, "regex") && pattern.regex instanceof RegExp &&
      // Global and sticky expressions keep state between tests.
      !pattern.regex.global && !pattern.regex.sticky
    ? { is: "pattern", regex: pattern.regex }
    : undefined
}

// JSON has no `undefined`: an optional field is absent, or has the type that remains without it.
const withoutUndefined = (ast: AST.AST): AST.AST =>
  AST.isUnion(ast) ? AST.Union.make(ast.types.filter((type) => !AST.isUndefinedKeyword(type))) : ast

const planFields = ({ indexSignatures, propertySignatures }: AST.TypeLiteral): Plan | undefined => {
  if (indexSignatures.length > 0 || propertySignatures.length === 0) return undefined
  const fields = [...propertySignatures].sort((a, b) => Number(a.isOptional) - Number(b.isOptional))
  const names = all(fields.map(({ name }) => Predicate.isString(name) ? name : undefined))
  const plans = all(fields.map(({ isOptional, type }) => plan(isOptional ? withoutUndefined(type) : type)))
  return names === undefined || plans === undefined ? undefined : {
    is: "fields",
    names,
    plans,
    indexOf: new Map(names.map((name, index) => [name, index])),
    required: fields.filter(({ isOptional }) => !isOptional).length
  }
}

const planTuple = ({ elements, rest }: AST.TupleType): Plan | undefined => {
  const [item] = rest
  if (elements.length === 0 && rest.length === 1 && item !== undefined) {
    const each = plan(item.type)
    return each === undefined ? undefined : { is: "list", plan: each }
  }
  if (rest.length > 0 || elements.some(({ isOptional }) => isOptional)) return undefined
  const plans = all(elements.map(({ type }) => plan(type)))
  return plans === undefined ? undefined : { is: "tuple", plans }
}

/** The plan of a schema. Undefined when the schema transforms, or has a check that plans do not cover. */
export const plan = (ast: AST.AST): Plan | undefined => {
  // Options change the checks: one of them forbids unknown fields.
  if (Option.isSome(AST.getParseOptionsAnnotation(ast))) return undefined
  switch (ast._tag) {
    case "StringKeyword":
      return { is: "string" }
    case "NumberKeyword":
      return { is: "number" }
    case "BooleanKeyword":
      return { is: "boolean" }
    case "Literal":
      return { is: "literal", value: ast.literal }
    case "Refinement":
      return planRefinement(ast)
    case "TypeLiteral":
      return planFields(ast)
    case "TupleType":
      return planTuple(ast)
    case "Union": {
      const plans = all(ast.types.map(plan))
      return plans === undefined ? undefined : { is: "either", plans }
    }
    default:
      return undefined
  }
}
