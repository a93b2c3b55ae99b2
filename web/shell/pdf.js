// A plain PDF of lines of text: A4 across, a fixed font, as many pages as it takes.

const [WIDTH, HEIGHT, MARGIN, SIZE, LEADING] = [842, 595, 40, 8, 12];
const LINES = Math.floor((HEIGHT - 2 * MARGIN) / LEADING);

/** Latin-1 inside a PDF string; what it does not have is a question mark. */
function text(line) {
  return line.replace(/[^\x20-\x7e\xa0-\xff]/g, "?").replace(/[\\()]/g, "\\$&");
}

function content(lines) {
  const shown = lines.map((line) => line.startsWith("# ") ? `/F2 ${SIZE + 3} Tf (${text(line.slice(2))}) Tj /F1 ${SIZE} Tf T*` : `(${text(line)}) Tj T*`);
  return `BT /F1 ${SIZE} Tf ${LEADING} TL ${MARGIN} ${HEIGHT - MARGIN} Td\n${shown.join("\n")}\nET`;
}

/** Bytes of the document; a line that begins with "# " is a heading. */
export function pdf(head, lines) {
  const all = [`# ${head[0]}`, ...head.slice(1), ...lines];
  const pages = Array.from({ length: Math.ceil(all.length / LINES) }, (_, index) => content(all.slice(index * LINES, (index + 1) * LINES)));
  const kids = pages.map((_, index) => `${5 + 2 * index} 0 R`).join(" ");
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    `<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    "<< /Type /Font /Subtype /Type1 /BaseFont /Courier-Bold /Encoding /WinAnsiEncoding >>",
    ...pages.flatMap((page, index) => [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${WIDTH} ${HEIGHT}] /Contents ${6 + 2 * index} 0 R /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>`,
      `<< /Length ${page.length} >>\nstream\n${page}\nendstream`,
    ]),
  ];
  let file = "%PDF-1.4\n";
  const offsets = objects.map((object, index) => {
    const offset = file.length;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  const end = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer << /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
  return Uint8Array.from(file + end, (character) => character.charCodeAt(0));
}
