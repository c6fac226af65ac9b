// Owns the sound level bar. Never plays the sound.

/** Full scale of the bar; speech peaks around here. */
const FULL = 0.5;

export class Level {
  #bar;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #samples = new Float32Array(512);

  /** @param {HTMLElement} bar */
  constructor(bar) {
    this.#bar = bar;
  }

  /** @param {MediaStream | null} mediaStream */
  update(mediaStream) {
    const audible = mediaStream !== null && mediaStream.getAudioTracks().length > 0;
    this.#bar.hidden = !audible;
    void this.#context?.close();
    this.#context = null;
    this.#analyser = null;
    if (!audible) return;
    this.#context = new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = this.#samples.length;
    this.#context.createMediaStreamSource(mediaStream).connect(this.#analyser);
    this.#draw();
  }

  /** A context that was made before the first click waits for it. */
  wake() {
    void this.#context?.resume();
  }

  #draw = () => {
    if (!this.#analyser) return;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const peak = this.#samples.reduce((most, s) => Math.max(most, Math.abs(s)), 0);
    const fill = this.#bar.firstElementChild;
    if (fill instanceof HTMLElement) fill.style.clipPath = `inset(0 ${(100 - Math.min(1, peak / FULL) * 100).toFixed(1)}% 0 0)`;
    requestAnimationFrame(this.#draw);
  };
}
