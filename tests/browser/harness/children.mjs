// Owns the end of programs that a failed test left running. Never ends one earlier.

/**
 * @template {import("node:child_process").ChildProcess} Child
 * @param {Child} child killed when this process exits before it
 * @returns {Child}
 */
export function endedWithTest(child) {
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  child.once("exit", () => process.off("exit", end));
  return child;
}
