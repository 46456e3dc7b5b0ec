// Why a recording cannot be opened or written.
import type { PlatformError } from "@effect/platform/Error"
import { SystemError } from "@effect/platform/Error"
import * as Data from "effect/Data"
import { describePlatformError } from "../platformError.ts"

/** The file cannot be read or written. */
export class RecordingFailed extends Data.TaggedError("RecordingFailed")<{
  readonly path: string
  readonly cause: PlatformError
}> {
  override get message(): string {
    const reason = describePlatformError(this.cause).replace(/\.$/, "")
    return `The recording ${this.path} cannot be read or written: ${reason}. Give a path that can be written with --out.`
  }
}

/** Another recorder writes to the file. */
export class RecordingInUse extends Data.TaggedError("RecordingInUse")<{
  readonly path: string
  /** The file that says so. */
  readonly lock: string
  readonly pid: number
  readonly host: string
  /** Whether the other recorder runs on another machine, so that nobody here can tell whether it still runs. */
  readonly isElsewhere: boolean
}> {
  override get message(): string {
    const advice = this.isElsewhere ? `If it runs no more, remove ${this.lock}.` : "End it, or give another file with --out."
    return `Process ${this.pid} on ${this.host} records to ${this.path} already. ${advice}`
  }
}

/** A file that must not be written to, for a reason of the recorder's own. */
export const unsuitable = (description: string): SystemError =>
  new SystemError({ reason: "BadResource", module: "FileSystem", method: "open", description })
