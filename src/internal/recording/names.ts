// The names of the files that a recording was rotated into: `trades.2026-11-27T15-33-03.123Z.ndjson`. They sort by time.
import type * as Path from "@effect/platform/Path"

/** The file that is being written, by the parts of its path. */
export type Parts = Pick<Path.Path.Parsed, "dir" | "ext" | "name">

/** A rotated file. */
export interface Rotated {
  readonly file: string
  /** Unix time in milliseconds. */
  readonly at: number
  readonly isCompressed: boolean
}

export const compressed = ".gz"

const pattern = /^\.(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3}Z)$/

// The same, before an extension and the end.
const stamped = /\.(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z)(\.[^./\\]*)?$/

const stampOf = (at: number) => `.${new Date(at).toISOString().replaceAll(":", "-")}`

/** The name of a file that is rotated at a moment. */
export const nameAt = ({ ext, name }: Parts, at: number): string => `${name}${stampOf(at)}${ext}`

/** Finds the rotated files of a recording among the files of its folder, oldest first. */
export const find = ({ ext, name }: Parts, files: ReadonlyArray<string>): ReadonlyArray<Rotated> =>
  files.flatMap((file) => {
    const isCompressed = file.endsWith(compressed)
    const plain = isCompressed ? file.slice(0, -compressed.length) : file
    if (!plain.startsWith(name) || !plain.endsWith(ext)) return []
    const [, day, hours = "", minutes = "", seconds = ""] = pattern.exec(plain.slice(name.length, plain.length - ext.length)) ?? []
    return day === undefined ? [] : [{ file, at: Date.parse(`${day}T${hours}:${minutes}:${seconds}`), isCompressed }]
  }).sort((a, b) => a.at - b.at || (a.file < b.file ? -1 : 1))

/** The moment for the name of the next file: now, or right after the last one if the clock has gone back. */
export const next = (now: number, rotated: ReadonlyArray<Rotated>): number =>
  rotated.reduce((at, { at: before }) => Math.max(at, before + 1), now)

/** Puts files in the order in which they were written, recording by recording: the rotated ones first, by their names. */
export const inOrder = (files: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const recordings = new Map<string, Array<readonly [stamp: string, file: string]>>()
  const given = new Set(files)
  for (const file of given) {
    const plain = file.endsWith(compressed) ? file.slice(0, -compressed.length) : file
    // A crash between compressing a file and removing it has left both.
    if (plain !== file && given.has(plain)) continue
    // The current file comes last.
    const [, stamp = "current"] = stamped.exec(plain) ?? []
    const recording = plain.replace(stamped, "$2")
    recordings.set(recording, [...recordings.get(recording) ?? [], [stamp, file]])
  }
  return [...recordings.values()].map((all) =>
    all.sort(([a, one], [b, other]) => a === b ? (one < other ? -1 : 1) : a < b ? -1 : 1).map(([, file]) => file))
}
