// Tells whether an answer may be stuck, so that its peer is not to blame: behind unread data while a slow reader suspends
// reading, behind a message that is still arriving, or because the peer still takes what we have sent.
import type { Vitals } from "../connection/handle.ts"

/** The wait for an answer: when it began, or began anew, and the vitals of the connection then. */
export interface Wait {
  /** In monotonic time. */
  readonly since: number
  readonly vitals: Vitals | undefined
}

export const mayBeStuck = ({ since, vitals: before }: Wait, now: Vitals | undefined): boolean => {
  if (before === undefined || now === undefined) return false
  const { lastRead, resumedAt, suspendedAt } = now.activity
  if (suspendedAt !== undefined || resumedAt >= since) return true
  const [was, is] = [before.progress, now.progress]
  const isArriving = lastRead < since && is.received - is.control > was.received - was.control
  return isArriving || (was.unsent > 0 && is.sent > was.sent)
}
