// Owns how much the borders of fields stand out. Never judges how much is enough.

/** Runs in the page: the contrast of each field's border, as it is painted, to what is inside and around it. */
export function fieldContrasts() {
  const canvas = document.createElement("canvas");
  const drawing = canvas.getContext("2d", { willReadFrequently: true });
  /** What is seen of colours, however CSS names them, that lie on each other. */
  const paint = (/** @type {string[]} */ ...colours) => {
    drawing?.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      if (drawing) drawing.fillStyle = colour;
      drawing?.fillRect(0, 0, 1, 1);
    }
    return [...(drawing?.getImageData(0, 0, 1, 1).data ?? [])];
  };
  const luminance = (/** @type {number[]} */ rgb) => {
    const [r = 0, g = 0, b = 0] = rgb.slice(0, 3).map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const backgrounds = (/** @type {Element | null} */ e) => {
    const all = [];
    for (let at = e; at; at = at.parentElement) all.unshift(getComputedStyle(at).backgroundColor);
    return ["white", ...all];
  };
  const fields = [...document.querySelectorAll("input[type=text], select, textarea")].filter((field) => field.checkVisibility());
  return fields.map((field) => {
    const border = luminance(paint(...backgrounds(field), getComputedStyle(field).borderTopColor));
    const contrasts = [field, field.parentElement].map((on) => {
      const under = luminance(paint(...backgrounds(on)));
      return (Math.max(border, under) + 0.05) / (Math.min(border, under) + 0.05);
    });
    return { id: field.id, contrast: Math.min(...contrasts) };
  });
}
