// Makes real small files of each kind that the page shows by itself, for
// preview.test.mjs and for screenshots. The film was recorded once (by a
// browser, from a canvas) and lies in files/.

import { readFile } from "node:fs/promises";

/** Pictures as a browser writes them: {png, jpeg, webp} as bytes. */
export async function makePictures(browser, { width = 640, height = 400, hue = 190, words = "" } = {}) {
  const page = await browser.newPage();
  const made = await page.evaluate(
    ({ width: wide, height: high, hue: angle, words: text }) => {
      const canvas = document.createElement("canvas");
      canvas.width = wide;
      canvas.height = high;
      const pen = canvas.getContext("2d");
      const sky = pen.createLinearGradient(0, 0, 0, high);
      sky.addColorStop(0, `hsl(${angle} 60% 82%)`);
      sky.addColorStop(0.6, `hsl(${angle + 150} 70% 82%)`);
      sky.addColorStop(0.61, `hsl(${angle} 55% 34%)`);
      sky.addColorStop(1, `hsl(${angle} 70% 14%)`);
      pen.fillStyle = sky;
      pen.fillRect(0, 0, wide, high);
      pen.fillStyle = `hsl(${angle + 170} 85% 68%)`;
      pen.beginPath();
      pen.arc(wide * 0.7, high * 0.46, high * 0.13, 0, 7);
      pen.fill();
      pen.fillStyle = `hsl(${angle + 20} 30% 20%)`;
      pen.beginPath();
      pen.moveTo(0, high * 0.62);
      for (let x = 0; x <= wide; x += wide / 40) pen.lineTo(x, high * (0.57 - 0.09 * Math.abs(Math.sin(x / (wide / 7)) * Math.cos(x / (wide / 3)))));
      pen.lineTo(wide, high * 0.62);
      pen.fill();
      pen.fillStyle = "#fff";
      pen.font = `${high / 8}px sans-serif`;
      pen.fillText(text, wide * 0.05, high * 0.92);
      return Object.fromEntries(["png", "jpeg", "webp"].map((type) => [type, canvas.toDataURL(`image/${type}`, 0.8).split(",")[1]]));
    },
    { width, height, hue, words },
  );
  await page.close();
  return Object.fromEntries(Object.entries(made).map(([type, text]) => [type, Buffer.from(text, "base64")]));
}

/** A tone as a WAV file: 8 kHz, 8 bits, one channel. */
export function makeSound(seconds = 1, pitch = 440) {
  const rate = 8000;
  const samples = Buffer.from(Array.from({ length: Math.round(seconds * rate) }, (_, index) => 128 + Math.round(50 * Math.sin((2 * Math.PI * pitch * index) / rate))));
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // plain samples
  head.writeUInt16LE(1, 22); // one channel
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

/** A PDF of one page with these words on it. */
export function makePdf(words) {
  const content = `BT /F1 28 Tf 60 700 Td (${words}) Tj ET`;
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
  ];
  let text = "%PDF-1.4\n";
  const places = objects.map((object, index) => {
    const place = text.length;
    text += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return place;
  });
  const start = text.length;
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("")}`;
  return Buffer.from(`${text}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`);
}

/** Two seconds of VP8, 160 by 90. */
export const readFilm = () => readFile(new URL("./files/waves.webm", import.meta.url));
