// Owns looks at a Chromium page that count as nobody's click there. Playwright's own (evaluate, and all that locators
// ask) run as a person's gesture, which from then on allows the page to play sound. Never changes the page.

/** @import { Page } from "playwright-core" */

/**
 * @param {Page} page where nothing was evaluated yet
 * @returns {Promise<(expression: string) => Promise<any>>} asks for the value of an expression
 */
export async function untouched(page) {
  const device = await page.context().newCDPSession(page);
  return async (expression) => {
    const { result, exceptionDetails } = await device.send("Runtime.evaluate", { expression, returnByValue: true, userGesture: false });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  };
}
