// Checks a value from JSON against a schema, as fast as a check written by hand.
//
// It walks the schema's plan, and allocates nothing for a value that conforms. The schema accepts whatever its plan accepts.
// Where the plan rejects a value, or the schema has no plan, the schema itself decides: there is one source of truth.
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Fields, Plan } from "./plan.ts"
import { plan } from "./plan.ts"

// Fields mostly come in the order of the schema. Then each is found without a search.
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

export const conforms = (plan: Plan, value: unknown): boolean => {
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

/** The check by the plan alone. Undefined when the schema has no plan. Exported for tests. */
export const planned = <A, I>(schema: Schema.Schema<A, I>): ((value: unknown) => boolean) | undefined => {
  const made = plan(schema.ast)
  return made === undefined ? undefined : (value) => conforms(made, value)
}

/** Gives the same result as `Schema.is`, faster for values that conform. */
export const is = <A, I>(schema: Schema.Schema<A, I>): (value: unknown) => value is A => {
  const quickly = planned(schema) ?? (() => false)
  const decide = Schema.is(schema)
  return (value): value is A => quickly(value) || decide(value)
}
