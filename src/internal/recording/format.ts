// The lines of a recording that are not market events: how a run begins and ends, and where each stream stands.
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** The version of the format that is written. */
export const version = 1

/** The last position of each series: the id of its last event, or the last moment of its last closed candle. */
export type Positions = ReadonlyMap<string, number>

const Where = Schema.Record({ key: Schema.String, value: Schema.Number })

const own = <const Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({
    source: Schema.Literal("holdfast"),
    symbol: Schema.Literal(""),
    type: Schema.Literal(type),
    data: Schema.Struct(fields),
    timestamp: Schema.Number
  })

const status = { streams: Schema.Array(Schema.String), positions: Where }

/** The first line of each file and of each run. `timestamp` is when the run or the file began. */
const Header = own("header", {
  version: Schema.Number,
  venue: Schema.String,
  /** The checksum of the line before, in this file or in the one before it. */
  after: Schema.String,
  ...status
})

/** A line now and then, so that a restart need not read the whole file. */
const Checkpoint = own("positions", status)

/** The last line of a file that was closed. */
const End = own("end", status)

export type Header = typeof Header.Type

/** A line of the recording's own. */
export type OwnLine = Header | typeof Checkpoint.Type | typeof End.Type

const decode = Schema.decodeUnknownOption(Schema.parseJson(Schema.Union(Header, Checkpoint, End)))

const opening = `{"source":"holdfast","symbol":"","type":"`
/** The beginning of every recording. */
export const headerOpening = `${opening}header","data":{"version":`

/** Whether a line is of the recording's own, and no market event. */
export const isOwn = (text: string): boolean => text.startsWith(opening)

/** Reads a line of the recording's own. Undefined for a market event. */
export const ownLine = (json: string): OwnLine | undefined =>
  isOwn(json) ? Option.getOrUndefined(decode(json)) : undefined

/** The content of each of these lines. */
export interface Status {
  readonly streams: ReadonlyArray<string>
  readonly positions: Positions
  /** Unix time in milliseconds. */
  readonly timestamp: number
}

const lineOf = (type: OwnLine["type"], { positions, streams, timestamp }: Status, more: object = {}) =>
  JSON.stringify({
    source: "holdfast",
    symbol: "",
    type,
    data: { ...more, streams, positions: Object.fromEntries(positions) },
    timestamp
  })

/** `after` is the checksum of the line before. */
export const header = (venue: string, after: string, status: Status): string => lineOf("header", status, { version, venue, after })
export const checkpoint = (status: Status): string => lineOf("positions", status)
export const end = (status: Status): string => lineOf("end", status)
