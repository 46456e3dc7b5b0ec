// The error of a run that has been in vain.
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import { formatDuration } from "../internal/time/durationText.ts"

/** The time of `--for` was up, and no connection had opened. */
export class NeverConnected extends Data.TaggedError("NeverConnected")<{ readonly within: Duration.Duration }> {
  override get message(): string {
    return `No connection opened within ${formatDuration(this.within)}. Check the address and the network.`
  }
}
