// Builds the browser's files: `node build.mjs <folder>`.
//
// Gives main.js, main.css, the fonts, the icons and whatever lies in public/, each under a name
// with its content's hash, and manifest.json that leads from the plain name to that name.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import * as esbuild from "esbuild";
import { iconPng, iconSvg } from "./icon.mjs";

const out = process.argv[2];
if (!out) throw new Error("usage: node build.mjs <folder>");
mkdirSync(out, { recursive: true });
const manifest = {};

/** Writes a file under a hashed name, so that browsers may keep it for ever. */
function put(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  const extension = extname(name);
  manifest[name] = `${basename(name, extension)}-${hash}${extension}`;
  writeFileSync(join(out, manifest[name]), content);
}

/** The font packages declare seven alphabets each; only these two are shipped. */
const subsets = /-(latin|latin-ext)-[a-z]+-(normal|italic) \*\//;
const latinFonts = {
  name: "latin-fonts",
  setup(build) {
    build.onLoad({ filter: /@fontsource-variable.*\.css$/ }, ({ path }) => {
      const rules = readFileSync(path, "utf8").split(/(?=\/\* )/);
      return { contents: rules.filter((rule) => subsets.test(rule)).join(""), loader: "css" };
    });
  },
};

async function bundle() {
  const entryPoints = ["src/main.ts", "src/main.css"].filter((path) => existsSync(path));
  const { metafile } = await esbuild.build({
    entryPoints,
    outdir: out,
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    legalComments: "none",
    loader: { ".woff2": "file" },
    plugins: [latinFonts],
    metafile: true,
    logLevel: "warning",
  });
  for (const [path, { entryPoint, inputs }] of Object.entries(metafile.outputs)) {
    const source = entryPoint ?? Object.keys(inputs)[0];
    manifest[basename(source).replace(/\.ts$/, ".js")] = basename(path);
  }
}

/** One sprite of the icons in icons.json, used as `<use href="…/icons.svg#name">`. */
function sprite() {
  const symbols = JSON.parse(readFileSync("icons.json", "utf8")).map((name) => {
    const icon = readFileSync(`node_modules/lucide-static/icons/${name}.svg`, "utf8");
    const shapes = icon.slice(icon.indexOf(">", icon.indexOf("<svg")) + 1, icon.indexOf("</svg>"));
    return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${shapes.replace(/\s*\n\s*/g, "")}</symbol>`;
  });
  put("icons.svg", `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("\n")}</svg>\n`);
}

/** The licences of what is bundled travel with it. */
function licences() {
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const texts = Object.keys(dependencies).map((name) => {
    const licence = readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim();
    return `${name} ${dependencies[name]}\n\n${licence}\n`;
  });
  writeFileSync(join(out, "licences.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
}

await bundle();
sprite();
put("icon.svg", iconSvg());
for (const size of [192, 512]) put(`icon-${size}.png`, iconPng(size));
licences();
if (existsSync("public")) {
  for (const name of readdirSync("public")) put(name, readFileSync(join("public", name)));
}
const sorted = Object.fromEntries(Object.entries(manifest).sort());
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(sorted, null, 2)}\n`);
