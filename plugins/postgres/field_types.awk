# The type of each field's column, from proto/fields.tsv:
#   awk -f field_types.awk fields.tsv
BEGIN {
    FS = "\t"
    type["real"] = "DB_FLOAT8"; type["integer"] = "DB_INT8"; type["boolean"] = "DB_BOOL"
    type["text"] = type["enum"] = "DB_TEXT"; type["doors"] = type["tires"] = "DB_JSONB"
    type["clock"] = "DB_TIME"; type["time"] = "DB_TIMESTAMPTZ"; type["location"] = "FIELD_LOCATION"
    print "/* Made by plugins/postgres/field_types.awk from proto/fields.tsv. */"
    print "#include \"postgres/field_type.h\"\n"
    print "const uint16_t db_field_types[] = {"
}
/^#/ || !($3 in type) { next }
{ printf "    [%s] = %s, /* %s */\n", $1, type[$3], $2; if ($1 + 1 > count) count = $1 + 1 }
END { printf "};\n\nconst uint32_t db_field_type_count = %d;\n", count }
