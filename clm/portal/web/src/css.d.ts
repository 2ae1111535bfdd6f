// The bundler takes style sheets; they have no values.
declare module "*.css";
