"""What a release needs beside the product: its build, its bill of materials and licences, its bounds."""
