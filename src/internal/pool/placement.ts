// Chooses the slot of a pool that gets a topic, and the two slots that are merged. Pure: the pool applies the choice.
import type { Slot } from "./slot.ts"

// Two slots are merged only if the result is at most this full. A full one would need a second slot at the next topic.
const fullestMerge = 0.75

// Room that new topics may not take: that of topics moving into the slot, or all of it when topics are moving out.
const reserved = <A>({ work }: Slot<A>, capacity: number): number =>
  work._tag === "Filling" ? work.expected : work._tag === "Emptying" ? capacity : 0

/** The slot for the next topic, if one has room. */
export const withRoom = <A>(slots: ReadonlyArray<Slot<A>>, capacity: number): Slot<A> | undefined =>
  slots.find((slot) => slot.topics.size + reserved(slot, capacity) < capacity)

/** The two slots to merge, if the two emptiest fit into one: the topics of `from` move to `into`. */
export const toMerge = <A>(slots: ReadonlyArray<Slot<A>>, capacity: number) => {
  const [from, into] = slots
    .filter(({ topics, work }) => work._tag === "Idle" && topics.size > 0)
    .sort((a, b) => a.topics.size - b.topics.size)
  return from !== undefined && into !== undefined && from.topics.size + into.topics.size <= capacity * fullestMerge
    ? { from, into }
    : undefined
}
