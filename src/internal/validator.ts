// Whether a value that came as JSON is what a schema says, at the speed of a check written by hand.
//
// A schema that only checks is planned once: a table of what each field must be. Walking it makes nothing for a value
// that conforms. A yes of the plan is a yes of the schema; after a no, and for whatever has no plan, the schema decides
// itself, so that there is one source of truth.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

type Plan =
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

interface Fields {
  readonly is: "fields"
  readonly names: ReadonlyArray<string>
  readonly plans: ReadonlyArray<Plan>
  readonly indexOf: ReadonlyMap<string, number>
  /** How many of them must be there: the optional ones come last. */
  readonly required: number
}

// ---------------------------------------------------------------------------------------------------------------------
// From a schema to its plan

const all = <A>(items: ReadonlyArray<A | undefined>): ReadonlyArray<A> | undefined =>
  items.every(Predicate.isNotUndefined) ? items : undefined

const planRefinement = (ast: AST.Refinement): Plan | undefined => {
  const schemaId = Option.getOrUndefined(AST.getSchemaIdAnnotation(ast))
  if (schemaId === Schema.IntSchemaId && AST.isNumberKeyword(ast.from)) return { is: "integer" }
  const pattern = ast.annotations[Schema.PatternSchemaId]
  return schemaId === Schema.PatternSchemaId && AST.isStringKeyword(ast.from) &&
      Predicate.hasProperty(pattern, "regex") && pattern.regex instanceof RegExp &&
      // These remember where they stopped.
      !pattern.regex.global && !pattern.regex.sticky
    ? { is: "pattern", regex: pattern.regex }
    : undefined
}

// JSON has no `undefined`: an optional field is there as its type says, or not at all.
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

const plan = (ast: AST.AST): Plan | undefined => {
  // Such as one that forbids unknown fields.
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

// ---------------------------------------------------------------------------------------------------------------------
// From a plan and a value to the verdict

// Fields mostly come in the order of the schema: each is then found without a search.
const hasFields = ({ indexOf, names, plans, required }: Fields, value: unknown): boolean => {
  if (!Predicate.isReadonlyRecord(value)) return false
  let due = 0
  let found = 0
  for (const name in value) {
    let index = due
    if (names[index] === name) {
      due++
    } else {
      const known = indexOf.get(name)
      if (known === undefined) continue
      index = known
    }
    const field = plans[index]
    if (field === undefined || !conforms(field, value[name])) return false
    if (index < required) found++
  }
  return found === required
}

const conforms = (plan: Plan, value: unknown): boolean => {
  switch (plan.is) {
    case "string":
      return typeof value === "string"
    case "number":
      return typeof value === "number"
    case "integer":
      return Number.isSafeInteger(value)
    case "boolean":
      return typeof value === "boolean"
    case "literal":
      return value === plan.value
    case "pattern":
      return typeof value === "string" && plan.regex.test(value)
    case "either":
      for (const either of plan.plans) {
        if (conforms(either, value)) return true
      }
      return false
    case "list":
      if (!Array.isArray(value)) return false
      for (const item of value) {
        if (!conforms(plan.plan, item)) return false
      }
      return true
    case "tuple": {
      if (!Array.isArray(value) || value.length !== plan.plans.length) return false
      let index = 0
      for (const item of plan.plans) {
        if (!conforms(item, value[index++])) return false
      }
      return true
    }
    case "fields":
      return hasFields(plan, value)
  }
}

/** The plan's verdict alone: whether it says yes, or nothing where it has no plan for the schema. For tests. */
export const planned = <A, I>(schema: Schema.Schema<A, I>): ((value: unknown) => boolean) | undefined => {
  const made = plan(schema.ast)
  return made === undefined ? undefined : (value) => conforms(made, value)
}

/** The verdict of `Schema.is`, quickly where it is yes. */
export const is = <A, I>(schema: Schema.Schema<A, I>): (value: unknown) => value is A => {
  const quickly = planned(schema) ?? (() => false)
  const decide = Schema.is(schema)
  return (value): value is A => quickly(value) || decide(value)
}
