// Prints the numbers of passed and failed tests, added up over reports in Vitest's format. A skipped test counts as failed,
// and so does a report that is missing.
import { existsSync, readFileSync, statSync } from "node:fs"

let passed = 0
let failed = 0
for (const file of process.argv.slice(2)) {
  if (!existsSync(file) || statSync(file).size === 0) {
    console.log(`no report in ${file}`)
    failed += 1
    continue
  }
  const { numFailedTests, numPassedTests, numTotalTests } = JSON.parse(readFileSync(file, "utf8"))
  const skipped = numTotalTests - numPassedTests - numFailedTests
  if (skipped > 0) process.exitCode = 1
  passed += numPassedTests
  failed += numFailedTests + skipped
}
if (failed > 0) process.exitCode = 1
console.log(`${passed} passed, ${failed} failed`)
