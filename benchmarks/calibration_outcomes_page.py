def write_page(table, page): pass
