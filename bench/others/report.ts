// What the processes of the bench say to each other.
import * as Schema from "effect/Schema"

/** What a contestant's process is started with. */
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

/** What it tells its parent. */
export const Report = Schema.Union(
  About,
  Schema.TaggedStruct("Trade", { id: Schema.Int }),
  Schema.TaggedStruct("Missing", { from: Schema.NullOr(Schema.Int), to: Schema.NullOr(Schema.Int) }),
  Schema.TaggedStruct("Told", { what: Schema.String }),
  Schema.TaggedStruct("Reviving", { possible: Schema.Boolean })
)

export type Start = typeof Start.Type
export type About = typeof About.Type
export type Report = typeof Report.Type
