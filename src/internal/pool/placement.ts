// Where topics go: which slot of a pool gets a topic, and which two slots become one. Pure: the pool does it.
import type { Slot } from "./slot.ts"

// How full one connection may be made by merging two: full ones would be split again by the next topic.
const roomy = 0.75

// Room that newcomers may not have: that of the topics which are about to move here, or all, where they move away.
const reserved = <A>({ work }: Slot<A>, capacity: number): number =>
  work._tag === "Filling" ? work.expected : work._tag === "Emptying" ? capacity : 0

/** The slot that gets the next topic, if one has room. */
export const withRoom = <A>(slots: ReadonlyArray<Slot<A>>, capacity: number): Slot<A> | undefined =>
  slots.find((slot) => slot.topics.size + reserved(slot, capacity) < capacity)

/** The two slots to merge, if two are half empty: the topics of one move to the other. */
export const toMerge = <A>(slots: ReadonlyArray<Slot<A>>, capacity: number) => {
  const [from, into] = slots
    .filter(({ topics, work }) => work._tag === "Idle" && topics.size > 0)
    .sort((a, b) => a.topics.size - b.topics.size)
  return from !== undefined && into !== undefined && from.topics.size + into.topics.size <= capacity * roomy
    ? { from, into }
    : undefined
}
