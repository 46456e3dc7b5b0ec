// A setup file: makes Effect's default scheduler run a resumed fibre at once, inside the call that resumes it. Effect's own
// does so later. Both are allowed, and code that changes its state first and wakes last holds under both.
//
// A fibre that yields still lets others run. Effect keeps its scheduler in a global value, so this must be set before any
// other module of Effect is loaded.
import { globalValue } from "effect/GlobalValue"
import type { Scheduler, Task } from "effect/Scheduler"

// Fibres that wake each other in turn would overflow the stack.
const deepest = 64

// As Effect's own scheduler: after so many microtasks in a row, the event loop gets its turn.
const mostMicrotasks = 2048

const running = new Set<Task>()
let microtasks = 0

const run = (task: Task) => {
  running.add(task)
  try {
    task()
  } finally {
    running.delete(task)
  }
}

const runLater = (task: Task) => {
  if (++microtasks < mostMicrotasks) {
    queueMicrotask(() => {
      run(task)
    })
    return
  }
  microtasks = 0
  setImmediate(() => {
    run(task)
  })
}

const eager: Scheduler = {
  shouldYield: (fiber) => fiber.currentOpCount > mostMicrotasks ? 0 : false,
  scheduleTask: (task) => {
    // A task that is running schedules itself to yield.
    if (running.has(task) || running.size >= deepest) runLater(task)
    else run(task)
  }
}

if (globalValue(Symbol.for("effect/Scheduler/defaultScheduler"), () => eager) !== eager) {
  throw new Error("Effect was loaded before its scheduler could be replaced.")
}
