// Adds up what flowed, over all labels of the metrics.
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Message from "../../observe/Message.ts"

export const at = (now: number): Message.Traffic => {
  const totals = { messages: 0, events: 0, gaps: 0, repaired: 0, lagSum: 0, lagCount: 0 }
  const counters: Readonly<Record<string, "messages" | "events" | "gaps" | "repaired">> = {
    "websocket.client.messages": "messages",
    "market.events": "events",
    "market.gaps": "gaps",
    "market.repair.events": "repaired"
  }
  for (const { metricKey: { name, tags }, metricState } of Metric.unsafeSnapshot()) {
    const counter = counters[name]
    if (counter !== undefined && MetricState.isCounterState(metricState)) {
      if (!tags.some(({ key, value }) => key === "direction" && value === "sent")) totals[counter] += Number(metricState.count)
    } else if (name === "market.event.lag" && MetricState.isHistogramState(metricState)) {
      totals.lagSum += metricState.sum
      totals.lagCount += metricState.count
    }
  }
  return new Message.Traffic({ at: now, ...totals })
}
