// The messages between the processes of the bench.
import * as Schema from "effect/Schema"

/** The argument of a contestant's process. */
export const Start = Schema.Struct({
  name: Schema.String,
  ws: Schema.String,
  rest: Schema.String,
  symbol: Schema.String,
  maxRetries: Schema.NullOr(Schema.Int)
})

export const About = Schema.TaggedStruct("About", {
  name: Schema.String,
  version: Schema.String,
  configuration: Schema.String,
  limit: Schema.NullOr(Schema.String)
})

/** A message of a contestant's process to its parent. */
export const Report = Schema.Union(
  About,
  Schema.TaggedStruct("Trade", { id: Schema.Int }),
  Schema.TaggedStruct("Missing", { from: Schema.NullOr(Schema.Int), to: Schema.NullOr(Schema.Int) }),
  Schema.TaggedStruct("Notice", { text: Schema.String }),
  Schema.TaggedStruct("Reviving", { possible: Schema.Boolean })
)

export type Start = typeof Start.Type
export type About = typeof About.Type
export type Report = typeof Report.Type
