// Owns the list of cameras or microphones in a select. Never opens one.

import { el } from "./dom.js";

/**
 * @param {HTMLSelectElement} select
 * @param {MediaDeviceInfo[]} devices
 * @param {string} what
 * @param {string | null} used id of the one that is used now, or as in a `Choice`; null: none yet
 */
export function fillDevices(select, devices, what, used) {
  const chosen = used ?? select.value;
  const known = devices.filter((d) => d.deviceId !== "");
  const options = known.map((d, n) => ({ value: d.deviceId, text: d.label || `${what} ${n + 1}` }));
  if (options.length === 0) options.push({ value: "", text: devices.length > 0 ? `Default ${what}` : `No ${what} found` });
  if (chosen === "screen") options.push({ value: "screen", text: "Sound of the screen" });
  options.push({ value: "none", text: `No ${what}` });
  const key = JSON.stringify(options);
  // A list that is the same is left alone, so that an open one stays open.
  if (select.dataset["options"] !== key) select.replaceChildren(...options.map(({ value, text }) => el("option", { value }, text)));
  select.dataset["options"] = key;
  select.value = options.some((o) => o.value === chosen) ? chosen : (options[0]?.value ?? "none");
}
